// Small helpers: what comes from a policy or a body is only ever text, never markup.

export const at = id => document.getElementById(id);

export const make = (tag, text, parent, css) => {
  const one = document.createElement(tag);
  if (text !== undefined && text !== null) one.textContent = text;
  if (css) one.className = css;
  if (parent) parent.append(one);
  return one;
};

/** Fills a select, keeping the choice where it is still there. */
export const options = (select, list, chosen) => {
  const before = chosen ?? select.value;
  select.replaceChildren(...list.map(([value, label]) => {
    const option = make("option", label);
    option.value = value;
    return option;
  }));
  if (list.some(([value]) => value === before)) select.value = before;
};

export const LEVELS = { show: "shown", detect: "shown in part", mask: "masked", pseudonym: "pseudonym", blank: "blank", hide: "withheld" };
export const RANK = { hide: 0, blank: 1, pseudonym: 2, mask: 3, detect: 4, show: 5 };
