//! nginx with njs, from Debian (`apt-get install nginx-light libnginx-mod-http-js`): one server that hands on, and one whose
//! JavaScript edits the whole body, as one would write it there.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path as File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fieldgate_testkit::envoy::Scratch;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_js_module.so";

/// KiB that it may have.
const MOST_MEMORY: u32 = 8 << 20;

/// The process, which ends with the value.
pub(crate) struct Nginx {
    child: Child,
    /// The server that hands on.
    pub(crate) plain: SocketAddr,
    /// The server that edits.
    pub(crate) edits: SocketAddr,
    _scratch: Scratch,
}

impl Nginx {
    /// `None` if it is not on this machine.
    pub(crate) fn start(upstream: SocketAddr) -> Option<Self> {
        if !File::new(MODULE).exists() {
            return None;
        }
        let scratch = Scratch::new().ok()?;
        let folder = scratch.path().display().to_string();
        let (plain, edits) = (free()?, free()?);
        let server = |address: SocketAddr, more: &str| {
            format!(
                "server {{ listen {address}; location / {{ proxy_pass http://api; proxy_http_version 1.1;
                 proxy_set_header Connection \"\"; {more} }} }}\n"
            )
        };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .concat();
        let configuration = format!(
            "load_module {MODULE};\ndaemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}keepalive_requests 100000000;\njs_path {folder};\n\
             js_import filter from filter.js;\n\
             # What nginx puts into a file, its JavaScript is never shown.
             proxy_max_temp_file_size 0;\n\
             upstream api {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}\n{}{}}}\n",
            server(plain, ""),
            server(edits, "js_header_filter filter.head; js_body_filter filter.body buffer_type=buffer;"),
        );
        fs::write(scratch.path().join("nginx.conf"), configuration).ok()?;
        fs::write(scratch.path().join("filter.js"), include_str!("filter.js")).ok()?;
        // Its JavaScript gives no memory back before a request ends: one that takes all there is must not take others with it.
        let command = format!("ulimit -v {MOST_MEMORY}; exec nginx -p '{folder}' -c '{folder}/nginx.conf'");
        let child =
            Command::new("bash").args(["-c", &command]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let nginx = Self { child, plain, edits, _scratch: scratch };
        (0..100).find(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(edits).is_ok()
        })?;
        Some(nginx)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens at: nginx cannot be asked which one it chose.
fn free() -> Option<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()
}
