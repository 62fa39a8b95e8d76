// The filter in njs, as one would write it: the whole body, parsed, edited, written.
const kept = [
  ['items', 'id'], ['items', 'status'], ['items', 'name', 'family'], ['items', 'email'], ['items', 'billingAddress', 'country'],
  ['items', 'lines', 'msisdn'], ['items', 'lines', 'plan', 'name'], ['items', 'balance', 'amount'], ['items', 'balance', 'currency'],
  ['items', 'characteristics', 'name'], ['next'],
];

function tree(paths) {
  const node = {};
  paths.forEach(path => path.reduce((at, name) => (at[name] = at[name] || {}), node));
  return node;
}

const wanted = tree(kept);

function masked(email) {
  const at = email.indexOf('@');
  return at < 0 ? '' : email.slice(0, 1) + '***' + email.slice(at);
}

function edit(value, node) {
  if (Array.isArray(value)) {
    value.forEach(element => edit(element, node));
  } else if (value !== null && typeof value === 'object') {
    Object.keys(value).forEach(name => {
      const next = node[name];
      if (!next) delete value[name];
      else if (name === 'email' && typeof value[name] === 'string') value[name] = masked(value[name]);
      else edit(value[name], next);
    });
  }
}

const parts = [];

function head(r) {
  delete r.headersOut['Content-Length'];
}

function body(r, data, flags) {
  // Buffers, not text: a part may end within a character, and what `+=` makes of 10 MB takes gigabytes.
  parts.push(data);
  if (!flags.last) return;
  const value = JSON.parse(Buffer.concat(parts).toString());
  edit(value, wanted);
  r.sendBuffer(JSON.stringify(value), flags);
}

export default { head, body };
