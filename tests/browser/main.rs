//! The pages that `fieldgate matrix --format html`, `fieldgate replay --html` and `fieldgate studio` write, in a real headless browser: what they
//! draw, ask for, and let a reader do with a mouse, with keys alone, in light and in dark.
//!
//! Without a browser the rows are listed as ignored, and with `CI=true` they fail. `scripts/browser.sh` gets one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

mod devtools;
mod studio;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use devtools::{Browser, Tab};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

type Check = fn(&mut World) -> Result<(), String>;

const ALL: [(&str, Check); 17] = [
    ("the page draws every cell of the matrix, for every client", every_cell),
    ("the page has a view of each step of the budgets", every_step),
    ("a page of some routes, scopes and classes holds no others", only_what_was_asked_for),
    ("a cell that is clicked explains itself, with the line that decides", a_click_explains),
    ("keys alone reach the filters and the cells, show where they are, and open a cell", keys_alone),
    ("filters leave the routes, classes, scopes and fields that are asked for", filters),
    ("text is readable in light and in dark", light_and_dark),
    ("the page asks nothing of a network, and could not", no_network),
    ("a policy's words stay words", words_stay_words),
    ("a narrow screen scrolls tables, not the page, and has levels in sight", narrow),
    ("headings stay in sight while a table is moved", headings_stay),
    ("an explanation covers no cell that was asked, and closes", it_closes),
    ("filters that leave nothing say so, and how to go back", nothing_left),
    ("what is chosen stands in the address", in_the_address),
    ("axe-core finds no fault, on a phone and on a desk, in light and in dark", accessible),
    ("the page of a replay draws its courses and steps, and has the rows of the table", a_replay),
    ("the page of a replay is readable in light and in dark, and asks nothing of a network", a_replay_in_both),
];

/// A browser, and a folder for pages.
struct World {
    browser: Browser,
    home: PathBuf,
}

impl World {
    fn start() -> Result<Self, String> {
        let program = devtools::find()?;
        let home = std::env::temp_dir().join(format!("fieldgate-browser-{}", std::process::id()));
        drop(fs::remove_dir_all(&home));
        fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        let browser = Browser::start(&program, &home)?;
        println!("browser: {}", program.display());
        Ok(Self { browser, home })
    }

    /// The page of these arguments, open.
    fn page(&mut self, arguments: &[&str]) -> Result<Tab<'_>, String> {
        let file = self.home.join("page.html");
        fs::write(&file, matrix(&[arguments, &["--format", "html"]].concat())).map_err(|error| error.to_string())?;
        self.browser.open(&file)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn matrix(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .arg("matrix")
        .args(arguments)
        .current_dir(fieldgate_testkit::root())
        .output()
        .expect("the command runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("UTF-8")
}

fn holds(what: bool, told: impl Into<String>) -> Result<(), String> {
    if what { Ok(()) } else { Err(told.into()) }
}

/// Route, field and scope of each cell that is drawn, and its level.
const DRAWN: &str = "Object.fromEntries([...document.querySelectorAll('table')].flatMap(table => {
    const route = table.parentElement.previousElementSibling;
    let head = route; while (head.tagName !== 'H2') head = head.previousElementSibling;
    const scopes = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
    return [...table.tBodies[0].rows].flatMap(row => [...row.cells].map((cell, at) => [cell, at])
      .filter(([cell]) => cell.querySelector('button'))
      .map(([cell, at]) => [[head.textContent.split(' ')[0], row.cells[0].querySelector('.path').textContent, scopes[at]].join('|'),
        cell.className.replace('cell ', '')]));
  }))";

fn drawn(tab: &mut Tab<'_>) -> Result<BTreeMap<String, String>, String> {
    let drawn = tab.script(DRAWN)?;
    let cells = drawn.as_object().ok_or("no cells")?;
    Ok(cells.iter().map(|(cell, level)| (cell.clone(), level.as_str().unwrap_or_default().to_owned())).collect())
}

/// The cells as the JSON form says them.
fn expected(client: Option<&str>) -> BTreeMap<String, String> {
    expected_at(client, None)
}

fn expected_at(client: Option<&str>, used: Option<&str>) -> BTreeMap<String, String> {
    let mut arguments = vec!["policies/telco.yaml", "--format", "json"];
    arguments.extend(used.iter().flat_map(|used| ["--used", used]));
    arguments.extend(client.iter().flat_map(|client| ["--client", client]));
    let document: Value = serde_json::from_str(&matrix(&arguments)).expect("JSON");
    let mut cells = BTreeMap::new();
    for route in document["policies"][0]["routes"].as_array().expect("routes") {
        for field in route["fields"].as_array().expect("fields") {
            for (scope, level) in field["levels"].as_object().expect("levels") {
                if let (Some(level), Some(route), Some(path)) =
                    (level.as_str(), route["route"].as_str(), field["field"].as_str())
                {
                    cells.insert(format!("{route}|{path}|{scope}"), level.to_owned());
                }
            }
        }
    }
    cells
}

/// Chooses in a filter as a reader does: the page hears of it.
fn choose(tab: &mut Tab<'_>, filter: &str, value: &str) -> Result<(), String> {
    let chosen = tab.script(&format!(
        "(() => {{ const one = document.getElementById({}); one.value = {};
          one.dispatchEvent(new Event(one.tagName === 'INPUT' ? 'input' : 'change', {{bubbles: true}})); return one.value; }})()",
        json!(filter),
        json!(value)
    ))?;
    holds(chosen == value, format!("`{filter}` has no `{value}`"))
}

fn every_cell(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    for (name, client) in [("any other", None), ("acme-partner", Some("acme-partner"))] {
        choose(&mut tab, "client", name)?;
        let (came, wanted) = (drawn(&mut tab)?, expected(client));
        holds(wanted.len() > 10, "too few cells to say anything")?;
        holds(came == wanted, format!("for {name} came {came:#?}\ninstead of {wanted:#?}"))?;
    }
    Ok(())
}

fn every_step(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    let shares = tab.script("[...document.getElementById('used').options].map(one => one.value)")?;
    holds(shares == json!(["nothing", "80%", "95%", "100%"]), shares.to_string())?;
    let mut before = usize::MAX;
    for client in [None, Some("acme-partner")] {
        choose(&mut tab, "client", client.unwrap_or("any other"))?;
        for used in ["nothing", "80%", "95%", "100%"] {
            choose(&mut tab, "used", used)?;
            let wanted = expected_at(client, (used != "nothing").then_some(used));
            let came = drawn(&mut tab)?;
            holds(came == wanted, format!("at {used} for {client:?} came {came:#?}\ninstead of {wanted:#?}"))?;
            let shown = came.values().filter(|level| *level == "show").count();
            holds(
                client.is_some() || used == "nothing" || shown < before || before == 0,
                format!("{shown} at {used}"),
            )?;
            before = shown;
        }
    }
    choose(&mut tab, "client", "any other")?;
    choose(&mut tab, "used", "80%")?;
    tab.click("document.querySelector('td.mask button')")?;
    let text = tab.script("document.body.innerText")?;
    let text = text.as_str().unwrap_or_default();
    for part in ["at 80% used: at most mask, by budget customers-per-hour", "budget customers-per-hour above 80%"] {
        holds(text.contains(part), format!("no `{part}`"))?;
    }
    drop(tab);
    let mut tab = world.page(&["policies/telco.yaml", "--used", "80%"])?;
    holds(drawn(&mut tab)? == expected_at(None, Some("80%")), "one view, as asked for")?;
    holds(tab.script("document.getElementById('used').parentElement.hidden")? == true, "one view is no choice")
}

fn only_what_was_asked_for(world: &mut World) -> Result<(), String> {
    let asked = ["policies/telco.yaml", "--route", "get-account", "--scope", "care.read", "--class", "contact"];
    let mut tab = world.page(&asked)?;
    let came = drawn(&mut tab)?;
    let mut wanted = expected(None);
    let fields = ["$.email", "$.billingAddress.street", "$.billingAddress.postcode", "$.lines[*].msisdn"];
    wanted.retain(|cell, _| fields.iter().any(|field| *cell == format!("get-account|{field}|care.read")));
    holds(came == wanted, format!("came {came:#?}\ninstead of {wanted:#?}"))?;
    let whole = tab.script("document.documentElement.outerHTML")?;
    let whole = whole.as_str().unwrap_or_default();
    for other in ["list-invoices", "marketing.read", "creditScore"] {
        holds(!whole.contains(other), format!("the page holds `{other}` all the same"))?;
    }
    Ok(())
}

fn a_click_explains(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    tab.click("document.querySelector(`[aria-label^='$.lines[*].msisdn, care.read']`)")?;
    let why = tab.script("document.getElementById('why').innerText")?;
    let why = why.as_str().unwrap_or_default();
    for part in ["care.read on get-account", "$.lines[*].msisdn", "hidden", "class cpni", "telco.yaml:", "decides"] {
        holds(why.contains(part), format!("no `{part}` in: {why}"))?;
    }
    let seen = tab.script("(box => box.height > 0 && box.bottom <= innerHeight + 1)(document.getElementById('why').getBoundingClientRect())")?;
    holds(seen == true, "the explanation is out of sight")
}

fn keys_alone(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    let focused = "(one => one.id || one.getAttribute('aria-label') || one.tagName)(document.activeElement)";
    let ring = "getComputedStyle(document.activeElement).outlineStyle";
    for id in ["policy", "client", "route", "class", "scope", "used", "text"] {
        tab.press("Tab")?;
        let at = tab.script(focused)?;
        holds(at == id, format!("Tab came to {at} instead of {id}"))?;
        holds(tab.script(ring)? != "none", format!("nothing shows that {id} has the focus"))?;
    }
    tab.press("Tab")?;
    for (key, cell) in [
        ("", "$.id, analytics.read: pseudonym. Explain."),
        ("ArrowRight", "$.id, billing.read: show. Explain."),
        ("ArrowDown", "$.status, billing.read: show. Explain."),
        ("ArrowLeft", "$.status, analytics.read: show. Explain."),
        ("ArrowUp", "$.id, analytics.read: pseudonym. Explain."),
        ("ArrowUp", "$.id, analytics.read: pseudonym. Explain."),
    ] {
        if !key.is_empty() {
            tab.press(key)?;
        }
        let at = tab.script(focused)?;
        holds(at == cell, format!("`{key}` came to {at} instead of {cell}"))?;
        holds(tab.script(ring)? != "none", format!("nothing shows that {cell} has the focus"))?;
    }
    tab.press("Enter")?;
    let why = tab.script("document.getElementById('why').innerText")?;
    holds(why.as_str().is_some_and(|why| why.contains("analytics.read grants pseudonym")), why.to_string())
}

fn filters(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    let all = expected(None);
    type Keeps = fn(&str) -> bool;
    let rows: [(&str, &str, Keeps); 4] = [
        ("route", "list-invoices", |cell| cell.starts_with("list-invoices|")),
        ("scope", "care.read", |cell| cell.ends_with("|care.read")),
        ("class", "notes", |cell| cell.contains("|$.notes[*].text|")),
        ("text", "IBAN", |cell| cell.contains("iban")),
    ];
    for (filter, value, keeps) in rows {
        choose(&mut tab, filter, value)?;
        let mut wanted = all.clone();
        wanted.retain(|cell, _| keeps(cell));
        let came = drawn(&mut tab)?;
        holds(!came.is_empty() && came == wanted, format!("{filter} {value}: {came:#?}\ninstead of {wanted:#?}"))?;
        let count = tab.script("document.getElementById('about').textContent")?;
        let said = format!(": {} cells.", wanted.len());
        holds(count.as_str().is_some_and(|count| count.contains(&said)), format!("{count} says not{said}"))?;
        choose(&mut tab, filter, "")?;
    }
    holds(drawn(&mut tab)? == all, "without filters, not all is there again")
}

/// The lowest contrast of a text and what is behind it, by WCAG 2.2 (§1.4.3), and where.
const CONTRAST: &str = "(() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = colour => { const [r, g, b] = colour.slice(0, 3).map(part => { const c = part / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = one => { for (; one; one = one.parentElement) { const c = rgb(getComputedStyle(one).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    let worst = [99, ''];
    for (const one of document.querySelectorAll('body *')) {
      const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
      if (!(own || ['SELECT', 'INPUT'].includes(one.tagName)) || !one.getClientRects().length) continue;
      const pair = [light(rgb(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
      const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
      if (ratio < worst[0]) worst = [ratio, one.tagName + ' ' + one.parentElement.className + ' ' + one.textContent.slice(0, 40)];
    }
    return [...worst, getComputedStyle(document.body).backgroundColor];
  })()";

fn light_and_dark(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies"])?;
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tab.call("Emulation.setEmulatedMedia", features)?;
        tab.click("document.querySelector('td.mask button')")?;
        let found = tab.script(CONTRAST)?;
        holds(found[0].as_f64().is_some_and(|ratio| (4.5..99.0).contains(&ratio)), format!("in {scheme}: {found}"))?;
        papers.push(found[2].clone());
    }
    holds(papers[0] != papers[1], format!("light and dark look alike: {papers:?}"))
}

fn no_network(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies"])?;
    tab.click("document.querySelector('td.mask button')")?;
    let asked: Vec<String> =
        tab.events("Network.requestWillBeSent").iter().map(|one| one["request"]["url"].to_string()).collect();
    holds(asked.len() == 1 && asked[0].starts_with("\"file://"), format!("it asked for {asked:?}"))?;
    for trouble in ["Runtime.exceptionThrown", "Log.entryAdded"] {
        let told = tab.events(trouble);
        holds(told.is_empty(), format!("{trouble}: {told:?}"))?;
    }
    // The page's own policy holds even for a script that got into it.
    let refused = tab.script(
        "new Promise(done => { document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
          fetch('http://127.0.0.1:1/').catch(() => setTimeout(done, 2000, 'nothing')); })",
    )?;
    holds(refused == "connect-src", format!("a request was refused by {refused}"))
}

fn words_stay_words(world: &mut World) -> Result<(), String> {
    let file = world.home.join("words.yaml");
    let small = fieldgate_testkit::root().join("tests/cli/small.yaml");
    let policy = fs::read_to_string(small).map_err(|error| error.to_string())?;
    let path = "\"$['</script><img src=x onerror=document.title=1><b>@DATA@']\"";
    fs::write(&file, policy.replace("$.status", path)).map_err(|error| error.to_string())?;
    let file = file.to_string_lossy().into_owned();
    let mut tab = world.page(&[&file])?;
    let found = tab.script(
        "[document.querySelectorAll('img, b').length, document.title, document.querySelectorAll('td.cell').length]",
    )?;
    holds(found == json!([0, "Who sees what", 1]), format!("markup came to life: {found}"))?;
    let field = tab.script("document.querySelector('tbody th').textContent")?;
    holds(field.as_str().is_some_and(|field| field.contains("</script><img src=x")), field.to_string())
}

/// A screen of that width.
fn screen(tab: &mut Tab<'_>, width: u32) -> Result<(), String> {
    let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
    tab.call("Emulation.setDeviceMetricsOverride", metrics).map(drop)
}

fn narrow(world: &mut World) -> Result<(), String> {
    for width in [390, 1280] {
        let mut tab = world.page(&["policies"])?;
        screen(&mut tab, width)?;
        let found = tab.script(
            "[document.documentElement.scrollWidth <= innerWidth, innerWidth, [...document.querySelectorAll('tbody tr')].filter(row =>
               [...row.querySelectorAll('td.cell')].filter(cell => cell.getBoundingClientRect().right <= innerWidth).length <
               Math.min(3, row.querySelectorAll('td.cell').length)).map(row => row.textContent)]",
        )?;
        holds(found == json!([true, width, []]), format!("at {width}: {found}"))?;
    }
    Ok(())
}

fn headings_stay(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies"])?;
    for width in [390, 1280] {
        screen(&mut tab, width)?;
        let found = tab.script(
            "(() => { const found = [];
              for (const scroll of document.querySelectorAll('.scroll')) {
                scroll.scrollTo(9999, 9999);
                const box = one => scroll.querySelector(one).getBoundingClientRect(), own = scroll.getBoundingClientRect();
                if (Math.abs(box('thead th').top - own.top) > 2 || Math.abs(box('tbody tr:last-child th').left - own.left) > 2) found.push(own);
                if (scroll.scrollTop > 0) found.moved = true;
              }
              return [found, !!found.moved]; })()",
        )?;
        holds(found[0] == json!([]), format!("at {width}: {found}"))?;
        holds(width > 600 || found[1] == true, "no table is long enough to say anything")?;
    }
    Ok(())
}

fn it_closes(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    for width in [390, 1280] {
        screen(&mut tab, width)?;
        let cells = tab.script("document.querySelectorAll('td.cell button').length")?;
        let last = cells.as_u64().unwrap_or_default().saturating_sub(1);
        for at in [0, last / 2, last] {
            let cell = format!("document.querySelectorAll('td.cell button')[{at}]");
            tab.click(&cell)?;
            let found = tab.script(&format!(
                "(() => {{ const cell = {cell}.getBoundingClientRect(), why = document.getElementById('why').getBoundingClientRect();
                  return [why.height > 0, cell.bottom <= why.top + 1 || cell.top >= why.bottom - 1, cell.top >= 0, cell.right <= innerWidth + 1]; }})()"
            ))?;
            holds(found == json!([true, true, true, true]), format!("cell {at} at {width}: {found}"))?;
            // By a key, and by the button: the cell has the focus again.
            if at == 0 {
                tab.press("Escape")?;
            } else {
                tab.click("document.getElementById('close')")?;
            }
            let found =
                tab.script(&format!("[document.getElementById('why').hidden, document.activeElement === {cell}]"))?;
            holds(found == json!([true, true]), format!("cell {at} at {width} after closing: {found}"))?;
        }
    }
    tab.click("document.querySelector('td.mask button')")?;
    let head = tab.script("document.querySelector('#why h2').textContent")?;
    holds(head.as_str().is_some_and(|head| head.contains(" — mask (")), format!("it says not which mask: {head}"))
}

fn nothing_left(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    let all = drawn(&mut tab)?;
    choose(&mut tab, "route", "list-calls")?;
    choose(&mut tab, "class", "notes")?;
    let said = tab.script("document.getElementById('tables').innerText")?;
    holds(said.as_str().is_some_and(|said| said.contains("No field is left by these filters.")), said.to_string())?;
    tab.click("document.querySelector('#tables button')")?;
    holds(drawn(&mut tab)? == all, "not all is there again")
}

fn in_the_address(world: &mut World) -> Result<(), String> {
    let mut tab = world.page(&["policies/telco.yaml"])?;
    let none = tab.script("location.hash")?;
    holds(none == "", format!("nothing is chosen, and the address says {none}"))?;
    for (filter, value) in [
        ("client", "acme-partner"),
        ("route", "get-account"),
        ("class", "identity"),
        ("used", "80%"),
        ("text", "a & b"),
    ] {
        choose(&mut tab, filter, value)?;
    }
    let hash = tab.script("location.hash")?;
    holds(hash == "#client=acme-partner&route=get-account&class=identity&used=80%25&text=a+%26+b", hash.to_string())?;
    choose(&mut tab, "text", "")?;
    let before = drawn(&mut tab)?;
    holds(!before.is_empty(), "nothing is drawn")?;
    tab.script("(async () => { const hash = location.hash; location.hash = ''; await new Promise(done => setTimeout(done, 100)); location.hash = hash;
        await new Promise(done => setTimeout(done, 100)); })()")?;
    let client = tab.script("document.getElementById('client').value")?;
    holds(client == "acme-partner" && drawn(&mut tab)? == before, "the address does not lead to what was seen")?;
    // What an address names and the page has not is no choice.
    tab.script("(async () => { location.hash = '#route=%3Cb%3E&client=nobody'; await new Promise(done => setTimeout(done, 100)); })()")?;
    holds(drawn(&mut tab)? == expected(None), "a name that is not there leaves all")
}

/// What axe-core says of the page as it is: rule, weight, and where.
fn faults(tab: &mut Tab<'_>, axe: &str) -> Result<Value, String> {
    tab.script(&format!("{axe}; 0"))?;
    tab.script(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(found => [found.passes.length > 15,
           found.violations.map(one => [one.id, one.impact, one.nodes.slice(0, 3).map(node => node.html.slice(0, 160))])])",
    )
}

fn accessible(world: &mut World) -> Result<(), String> {
    let axe = axe()?;
    let replayed = replay_page(world)?;
    for width in [390, 1280] {
        for scheme in ["light", "dark"] {
            let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            let mut tab = world.page(&["policies"])?;
            screen(&mut tab, width)?;
            tab.call("Emulation.setEmulatedMedia", features.clone())?;
            let found = faults(&mut tab, &axe)?;
            holds(found == json!([true, []]), format!("at {width}, {scheme}: {found}"))?;
            tab.click("document.querySelector('td.mask button')")?;
            let found = faults(&mut tab, &axe)?;
            holds(found == json!([true, []]), format!("at {width}, {scheme}, with an explanation: {found}"))?;
            choose(&mut tab, "text", "nothing holds this")?;
            let found = faults(&mut tab, &axe)?;
            holds(found[1] == json!([]), format!("at {width}, {scheme}, with nothing left: {found}"))?;
            drop(tab);
            let mut tab = world.browser.open(&replayed)?;
            screen(&mut tab, width)?;
            tab.call("Emulation.setEmulatedMedia", features)?;
            let found = faults(&mut tab, &axe)?;
            holds(found == json!([true, []]), format!("the page of a replay at {width}, {scheme}: {found}"))?;
        }
    }
    Ok(())
}

/// The script of axe-core, as `scripts/browser.sh` got it.
fn axe() -> Result<String, String> {
    let folder = fieldgate_testkit::root().join(".tools/axe");
    let versions = fs::read_to_string(fieldgate_testkit::root().join("scripts/versions.env"))
        .map_err(|error| error.to_string())?;
    let version = versions.lines().find_map(|line| line.strip_prefix("AXE_VERSION=")).ok_or("no AXE_VERSION")?;
    fs::read_to_string(folder.join(format!("{version}.js")))
        .map_err(|error| format!("no axe-core ({error}): run scripts/browser.sh"))
}

/// The page of a replay, as a file.
fn replay_page(world: &mut World) -> Result<PathBuf, String> {
    replayed(world).map(|_| ())?;
    Ok(world.home.join("replay.html"))
}

/// The page of a replay, open, and its rows as the CSV form has them.
fn replayed<'w>(world: &'w mut World) -> Result<(Tab<'w>, Vec<Vec<String>>), String> {
    let file = world.home.join("replay.html");
    let run = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .args(["replay", "-p", "tests/cli/budgets.yaml", "--accounts", "50000", "--days", "1", "--clients", "1,2"])
        .args(["--format", "csv", "--html"])
        .arg(&file)
        .current_dir(fieldgate_testkit::root())
        .output()
        .map_err(|error| error.to_string())?;
    holds(run.status.success(), String::from_utf8_lossy(&run.stderr))?;
    let csv = String::from_utf8_lossy(&run.stdout).into_owned();
    let rows = csv.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect());
    let rows = rows.collect();
    Ok((world.browser.open(&file)?, rows))
}

fn a_replay(world: &mut World) -> Result<(), String> {
    let (mut tab, rows) = replayed(world)?;
    let drawn = tab.script(
        "[...document.querySelectorAll('#rows tbody tr')].map(row => [...row.cells].map(cell =>
          cell.textContent.replace(/[, %]/g, '')))",
    )?;
    holds(rows.len() >= 4 && drawn == json!(rows), format!("{drawn}\ninstead of {rows:?}"))?;
    let found = tab.script(
        "(() => { const box = one => document.querySelector(one).getBoundingClientRect();
          const high = one => box(one).height > 20;
          return [high('#customers .without'), high('#customers .with'), high('#customers .full'),
            box('#customers .without').top < box('#customers .with').top,
            high('#fields .without'), high('#fields .full'), high('#fields .low'),
            document.querySelectorAll('#first-day rect.show').length > 0,
            document.querySelectorAll('#first-day rect.mask').length > 0,
            [...document.querySelectorAll('#first-day .mark')].map(one => one.textContent),
            [...document.querySelectorAll('svg')].every(one => one.querySelector('title').textContent
              && one.querySelector('desc').textContent)]; })()",
    )?;
    let steps = json!(["80 %: at most mask", "95 %: at most hide", "100 %: refused"]);
    let expected = json!([true, true, true, true, true, true, true, true, true, steps, true]);
    holds(found == expected, format!("{found}\ninstead of {expected}"))
}

fn a_replay_in_both(world: &mut World) -> Result<(), String> {
    let (mut tab, _) = replayed(world)?;
    let of_svg = "(one.closest('svg') ? getComputedStyle(one).fill : getComputedStyle(one).color)";
    let contrast = CONTRAST.replace("getComputedStyle(one).color", of_svg);
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tab.call("Emulation.setEmulatedMedia", features)?;
        let found = tab.script(&contrast)?;
        holds(found[0].as_f64().is_some_and(|ratio| (4.5..99.0).contains(&ratio)), format!("in {scheme}: {found}"))?;
        papers.push(found[2].clone());
    }
    holds(papers[0] != papers[1], format!("light and dark look alike: {papers:?}"))?;
    let asked = tab.events("Network.requestWillBeSent").len();
    holds(asked == 1 && tab.events("Log.entryAdded").is_empty(), format!("it asked for {asked} files"))?;
    let phone = json!({"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    tab.call("Emulation.setDeviceMetricsOverride", phone)?;
    let fits = tab.script("document.documentElement.scrollWidth <= innerWidth")?;
    holds(fits == true, "on a narrow screen the page is wider than the screen")
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = World::start().map(|world| Arc::new(Mutex::new(world))).inspect_err(|missing| {
        eprintln!("\nthe matrix page was looked at in no browser: {missing}");
    });
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    // The studio's page is made by `make studio`, and not by each build.
    let all = ALL.into_iter().chain(studio::ALL);
    let trials: Vec<Trial> = all
        .map(|(claim, check)| {
            let world = world.clone();
            let is_there = world.is_ok() && (!claim.starts_with("axe-core") || axe().is_ok());
            let is_of_studio = studio::ALL.iter().any(|(other, _)| *other == claim);
            let is_ignored = (!is_there && !is_ci) || (is_of_studio && !studio::is_there());
            let run = move || {
                let world = world?;
                let mut world = world.lock().map_err(|_| "an earlier row stopped".to_owned())?;
                check(&mut world).map_err(Failed::from)
            };
            Trial::test(claim, run).with_ignored_flag(is_ignored)
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The last owner stops the browser.
    drop(world);
    conclusion.exit_code()
}
