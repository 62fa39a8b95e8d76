//! A real Chromium, driven over the pipe of the Chrome DevTools Protocol (<https://chromedevtools.github.io/devtools-protocol/>)
//! and stopped with the value that stands for it. No port is opened.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

/// A cold start on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser that `FIELDGATE_BROWSER` names, else the first that is installed.
///
/// # Errors
/// Says what is missing and how to get it.
pub(crate) fn find() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("FIELDGATE_BROWSER") {
        let path = PathBuf::from(named);
        return if path.exists() { Ok(path) } else { Err(format!("{} is no program", path.display())) };
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = names.iter().flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
    let apps = [PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")];
    on_path
        .chain(apps)
        .find(|path| path.exists())
        .ok_or_else(|| "no Chromium: run scripts/browser.sh, or name one in FIELDGATE_BROWSER".to_owned())
}

/// A running browser.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    /// What it told without being asked, in order.
    events: Vec<Value>,
}

impl Browser {
    /// Starts it with a profile of its own in `home`, and without anything that asks a network of itself.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(program: &Path, home: &Path) -> Result<Self, String> {
        // The protocol is spoken on the descriptors 3 and 4.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            // The page is the project's own, and a container may have no namespaces to spare for the sandbox.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-quic", "--disable-default-apps", "--hide-scrollbars"])
            .args(["--remote-debugging-pipe", "about:blank"])
            .arg(format!("--user-data-dir={}", home.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let (to, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, from) = mpsc::channel();
        std::thread::spawn(move || {
            for message in BufReader::new(said).split(0) {
                let Ok(Ok(message)) = message.map(|bytes| serde_json::from_slice(&bytes)) else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, to, from, next: 0, events: Vec::new() })
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Result<Value, String> {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let sent = self.to.write_all(format!("{message}\0").as_bytes()).and_then(|()| self.to.flush());
        sent.map_err(|error| format!("the browser is gone: {error}"))?;
        loop {
            let answer = self.from.recv_timeout(PATIENCE).map_err(|_| format!("no answer to {method}"))?;
            if answer["id"] != self.next {
                self.events.push(answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].clone());
            } else {
                return Err(format!("{method}: {}", answer["error"]));
            }
        }
    }

    /// Opens a file in a tab of its own, and waits until it is there.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn open(&mut self, file: &Path) -> Result<Tab<'_>, String> {
        self.events.clear();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let target = text(&self.call(None, "Target.createTarget", &json!({"url": "about:blank"}))?["targetId"]);
        let attach = json!({"targetId": target, "flatten": true});
        let session = text(&self.call(None, "Target.attachToTarget", &attach)?["sessionId"]);
        let mut tab = Tab { browser: self, session, target };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({}))?;
        }
        // What is typed goes to this tab, whatever else is open.
        tab.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}))?;
        tab.call("Page.navigate", json!({"url": format!("file://{}", file.display())}))?;
        while tab.events("Page.loadEventFired").is_empty() {
            let event = tab.browser.from.recv_timeout(PATIENCE).map_err(|_| "the page does not load".to_owned())?;
            tab.browser.events.push(event);
        }
        Ok(tab)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let closes = self.call(None, "Browser.close", &json!({}));
        if closes.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// One open page.
pub(crate) struct Tab<'b> {
    browser: &'b mut Browser,
    session: String,
    target: String,
}

impl Tab<'_> {
    /// Calls a method of the protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let session = self.session.clone();
        self.browser.call(Some(&session), method, &params)
    }

    /// The parameters of the events of that name, so far.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let own = self.browser.events.iter().filter(|event| event["sessionId"] == self.session.as_str());
        own.filter(|event| event["method"] == name).map(|event| event["params"].clone()).collect()
    }

    /// What a script comes to in the page.
    ///
    /// # Errors
    /// What it throws.
    pub(crate) fn script(&mut self, script: &str) -> Result<Value, String> {
        let params = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].clone()),
            thrown => Err(format!("{script}\n{thrown}")),
        }
    }

    /// Presses a key.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub(crate) fn press(&mut self, key: &str) -> Result<(), String> {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => return Err(format!("no such key: {key}")),
        };
        let mut down = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if key == "Enter" {
            down["text"] = "\r".into();
        }
        self.call("Input.dispatchKeyEvent", down)?;
        let up = json!({"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up).map(drop)
    }

    /// Clicks in the middle of the element that a script gives.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn click(&mut self, element: &str) -> Result<(), String> {
        for kind in ["mousePressed", "mouseReleased"] {
            self.point(element, kind)?;
        }
        Ok(())
    }

    /// Moves the mouse over the element that a script gives.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn hover(&mut self, element: &str) -> Result<(), String> {
        self.point(element, "mouseMoved")
    }

    /// In the middle of its first line: the middle of a text of several lines may be beside it.
    fn point(&mut self, element: &str, kind: &str) -> Result<(), String> {
        let place = self.script(&format!(
            "(() => {{ const one = {element}; one.scrollIntoView({{block: 'center'}}); const [box] = one.getClientRects(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ))?;
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({"type": kind, "x": place[0], "y": place[1], "button": button, "clickCount": 1});
        self.call("Input.dispatchMouseEvent", event).map(drop)
    }
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        let _ = self.browser.call(None, "Target.closeTarget", &json!({"targetId": self.target}));
    }
}
