//! [`Plugin`]: a configuration of the plugin in a VM, which makes a stream of each request.

use std::cell::RefCell;
use std::rc::Rc;

use fieldgate::exchange::Reporter;
use fieldgate::program::Program;
use fieldgate::report::{Record, Stamp};
use log::{Level, log};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

use crate::host;
use crate::metrics::reporter;
use crate::stream::Stream;

/// One configuration of the plugin in one VM.
#[derive(Default)]
pub(super) struct Plugin {
    /// None until a policy has been taken: then every stream is refused.
    program: Option<Rc<Program>>,
    reporter: Rc<RefCell<Reporter<u32>>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A pure function of the configuration and the VM's environment, so that every worker decides like the VM in which
    /// Envoy tried the configuration first.
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten();
        match Program::configured(&configuration.unwrap_or_default(), |name| std::env::var(name).ok()) {
            Ok(program) => {
                log!(Level::Info, "{}", program.enforcing());
                self.reporter = reporter(program.policy(), host::time());
                self.program = Some(Rc::new(program));
                true
            }
            Err(faults) => {
                for fault in faults {
                    log!(Level::Error, "{fault}");
                }
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let Some(program) = &self.program else { return Some(Box::new(Unconfigured)) };
        let stream = Stream::new(Rc::clone(program), Rc::clone(&self.reporter));
        #[cfg(feature = "trap")]
        let stream = crate::trap::Trapping::new(stream);
        Some(Box::new(stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// A stream without a policy: it is refused, and that reply goes as it is.
struct Unconfigured;

impl Context for Unconfigured {}

impl HttpContext for Unconfigured {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        host::refuse()
    }

    fn on_log(&mut self) {
        host::put_record(&Record::unconfigured(host::time().and_then(Stamp::of)));
    }
}
