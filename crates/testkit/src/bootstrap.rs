//! The reference bootstrap, filled in, and the variants of it that tests need. All come from `envoy/envoy.yaml`.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::row::HeadMode;

const REFERENCE: &str = include_str!("../../../envoy/envoy.yaml");

/// The name of the filter, whichever host it has: names are free in Envoy.
const PLUGIN: &str = "envoy.filters.http.wasm";

/// What runs the core in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The WebAssembly plugin.
    Plugin,
    /// The dynamic module, which `make module` builds.
    Module,
}

impl Host {
    /// The plugin, unless `FIELDGATE_HOST` says `module`.
    pub fn chosen() -> Self {
        match std::env::var("FIELDGATE_HOST").as_deref() {
            Ok("module") => Self::Module,
            _ => Self::Plugin,
        }
    }

    /// How Envoy's admin interface spells a series, or a part of one, which the plugin spells `name.label=.=value;.;`: of a
    /// module it knows the labels itself.
    pub fn series(self, spelt: &str) -> String {
        match self {
            Self::Plugin => spelt.to_owned(),
            Self::Module => {
                let plain = spelt.replace("=.=", ".").replace(";.;", ".").replace(".: ", ": ");
                plain.trim_end_matches('.').to_owned()
            }
        }
    }
}

/// The typed configuration of a filter that is the dynamic module.
pub fn module(configuration: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": {"name": "fieldgate_module", "do_not_close": true},
        "filter_name": "fieldgate",
        "filter_config": configuration,
    })
}

/// What leaves the claims of a payload where the module finds them.
fn claims_of(payload: &str) -> Value {
    json!({
        "object_key": format!("fieldgate.claims.{payload}"),
        "factory_key": "envoy.string",
        "format_string": {
            "text_format_source": {
                "inline_string": format!("%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:{payload})%"),
            },
            "omit_empty_values": true,
        },
        "skip_if_empty": true,
    })
}

/// The cluster of the rate limit service. As it is, this name is a protobuf message of a field that nobody knows: Envoy, which
/// tries to read a call's target as a `GrpcService` first, ends on it.
pub const RATE_LIMITS: &str = "meter";

const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const FIRST_LISTENER: &str = "/static_resources/listeners/0";

/// A bootstrap; Envoy reads JSON as the YAML that it is.
#[derive(Debug, Clone)]
pub struct Bootstrap(Value);

/// A way to take the filter out of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// It is not there.
    NoFilter,
    /// It is disabled unless a route says otherwise.
    Disabled,
    /// It is disabled on the virtual host and the route.
    DisabledOnRoute,
}

/// What the reference file leaves open.
pub struct Blanks<'a> {
    pub wasm: &'a Path,
    /// The policy as JSON.
    pub policy: &'a str,
    pub jwks: &'a Path,
    pub upstream: SocketAddr,
    pub access_log: &'a Path,
}

impl Bootstrap {
    /// One that is not the reference's.
    pub fn of(tree: Value) -> Self {
        Self(tree)
    }

    /// `envoy/envoy.yaml` with its blanks filled in, otherwise untouched.
    pub fn reference(blanks: &Blanks<'_>) -> Self {
        let mut tree: Value = serde_saphyr::from_str(REFERENCE).expect("envoy/envoy.yaml is YAML");
        let port = blanks.upstream.port().to_string();
        let values = [
            ("${FIELDGATE_WASM}", blanks.wasm.to_str().expect("a path of text")),
            ("${FIELDGATE_POLICY}", blanks.policy),
            ("${JWKS}", blanks.jwks.to_str().expect("a path of text")),
            ("${UPSTREAM_PORT}", &port),
            ("${ACCESS_LOG}", blanks.access_log.to_str().expect("a path of text")),
        ];
        let mut filled = [0; 5];
        fill(&mut tree, &values, &mut filled);
        assert_eq!(filled, [1; 5], "envoy/envoy.yaml has each blank once");
        match Host::chosen() {
            Host::Plugin => Self(tree),
            Host::Module => Self(tree).with_module(blanks.policy),
        }
    }

    /// With the dynamic module in the plugin's place and under its name, and before it what brings it the claims
    /// (docs/operations.md). The policy's payloads are those that claims are looked for in.
    fn with_module(mut self, policy: &str) -> Self {
        let policy: Value = serde_json::from_str(policy).unwrap_or_default();
        let payloads = match &policy["identity"]["payload"] {
            Value::Array(names) => names.clone(),
            Value::String(name) => vec![json!(name)],
            _ => Vec::new(),
        };
        let claims: Vec<Value> = payloads.iter().filter_map(Value::as_str).map(claims_of).collect();
        let at = self.filters_mut().iter().position(|filter| filter["name"] == PLUGIN).unwrap();
        let configuration =
            self.filters_mut()[at].pointer_mut("/typed_config/config/configuration").map(Value::take).unwrap();
        self.filters_mut()[at]["typed_config"] = module(configuration);
        if !claims.is_empty() {
            let kind = "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config";
            let filter =
                json!({"name": "fieldgate.claims", "typed_config": {"@type": kind, "on_request_headers": claims}});
            self.filters_mut().insert(at, filter);
        }
        self
    }

    /// Without `allow_on_headers_stop_iteration`: a host that cannot hold the head.
    fn without_held_head(mut self) -> Self {
        if Host::chosen() == Host::Module {
            // It can always hold the head: what it does, the policy says.
            return self;
        }
        let config = self.filter_mut(PLUGIN).pointer_mut("/typed_config/config").unwrap();
        let removed = config.as_object_mut().unwrap().remove("allow_on_headers_stop_iteration");
        assert_eq!(removed, Some(json!(true)), "the reference holds the head");
        self
    }

    /// For a policy with that head mode: a host that can hold the head, or one that cannot.
    pub fn with_head(self, head: HeadMode) -> Self {
        match head {
            HeadMode::Held => self,
            HeadMode::Released => self.without_held_head(),
        }
    }

    /// With a connection to the upstream for each request: what an upstream does to a connection behind its response then
    /// meets nobody else's request. Behind [`Self::in_every_framing`].
    pub fn with_a_connection_each(mut self) -> Self {
        for cluster in self.0["static_resources"]["clusters"].as_array_mut().unwrap() {
            for options in cluster["typed_extension_protocol_options"].as_object_mut().unwrap().values_mut() {
                options["common_http_protocol_options"] = json!({"max_requests_per_connection": 1});
            }
        }
        self
    }

    /// With a second listener `api-http2`, whose upstream speaks HTTP/2, and with HTTP/1 trailers on everywhere, so that
    /// trailers reach the filter in both protocols and could reach the client.
    pub fn in_every_framing(mut self, http2_upstream: SocketAddr) -> Self {
        let trailers = json!({"enable_trailers": true});
        let manager = self.0.pointer_mut(&format!("{FIRST_LISTENER}{MANAGER}")).unwrap();
        manager["http_protocol_options"] = trailers.clone();
        // By these ids the access log's lines are found again.
        manager["preserve_external_request_id"] = json!(true);

        let mut listener = self.0.pointer(FIRST_LISTENER).unwrap().clone();
        listener["name"] = json!("api-http2");
        let manager = listener.pointer_mut(MANAGER).unwrap();
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = json!("api-http2");
        self.0["static_resources"]["listeners"].as_array_mut().unwrap().push(listener);

        let clusters = self.0["static_resources"]["clusters"].as_array_mut().unwrap();
        let mut second = clusters[0].clone();
        second["name"] = json!("api-http2");
        // As on the listener: while the client reads nothing, the filter's host takes no more than this from the upstream.
        let windows = json!({"initial_stream_window_size": 65536, "initial_connection_window_size": 1_048_576});
        second["load_assignment"]["cluster_name"] = json!("api-http2");
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        *second.pointer_mut(address).unwrap() = json!(http2_upstream.port());
        second["typed_extension_protocol_options"] = protocol("http2_protocol_options", &windows);
        // Nothing else tells the filter which protocol a response comes in.
        second["metadata"] = json!({"filter_metadata": {"fieldgate": {"protocol": "HTTP/2"}}});
        clusters[0]["typed_extension_protocol_options"] = protocol("http_protocol_options", &trailers);
        clusters.push(second);
        self
    }

    /// With what the upstream writes behind its status forwarded to HTTP/1 clients.
    pub fn with_reason_phrases(mut self) -> Self {
        let kind =
            "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";
        let formatter =
            json!({"name": "preserve_case", "typed_config": {"@type": kind, "forward_reason_phrase": true}});
        let options = json!({"header_key_format": {"stateful_formatter": formatter}});
        let manager = self.0.pointer_mut(&format!("{FIRST_LISTENER}{MANAGER}")).unwrap();
        manager["http_protocol_options"] = options.clone();
        let clusters = self.0["static_resources"]["clusters"].as_array_mut().unwrap();
        clusters[0]["typed_extension_protocol_options"] = protocol("http_protocol_options", &options);
        self
    }

    /// With the cluster [`RATE_LIMITS`]: a rate limit service on this machine.
    pub fn with_ratelimit(mut self, port: u16) -> Self {
        let clusters = self.0["static_resources"]["clusters"].as_array_mut().unwrap();
        clusters.push(json!({
            "name": RATE_LIMITS, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": protocol("http2_protocol_options", &json!({})),
            "load_assignment": {"cluster_name": RATE_LIMITS, "endpoints": [{"lb_endpoints": [{"endpoint": {
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            }}]}]},
        }));
        self
    }

    /// Without the plugin, and without the gate that asks for its mark: what there was before.
    pub fn without_the_plugin(mut self) -> Self {
        let before = self.filters_mut().len();
        self.filters_mut().retain(|filter| filter["name"] != PLUGIN && filter["name"] != "fieldgate.gate");
        assert_eq!(self.filters_mut().len(), before - 2, "the reference has plugin and gate");
        self
    }

    /// With another time after which a stream that does nothing is ended.
    pub fn with_idle_timeout(mut self, time: &str) -> Self {
        let manager = self.0.pointer_mut(&format!("{FIRST_LISTENER}{MANAGER}")).unwrap();
        manager["stream_idle_timeout"] = json!(time);
        self
    }

    /// With the plugin's filter taken out of the way.
    pub fn with_bypass(mut self, way: Bypass) -> Self {
        match way {
            Bypass::NoFilter => {
                self.filters_mut().retain(|filter| filter["name"] != PLUGIN);
            }
            Bypass::Disabled => self.filter_mut(PLUGIN)["disabled"] = json!(true),
            Bypass::DisabledOnRoute => {
                let host = format!("{FIRST_LISTENER}{MANAGER}/route_config/virtual_hosts/0");
                let disabled = json!({PLUGIN: {
                    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                    "disabled": true,
                }});
                let host = self.0.pointer_mut(&host).unwrap();
                host["typed_per_filter_config"] = disabled.clone();
                host["routes"][0]["typed_per_filter_config"] = disabled;
            }
        }
        self
    }

    /// With the API at another address.
    pub fn with_upstream(mut self, upstream: SocketAddr) -> Self {
        let cluster = &mut self.0["static_resources"]["clusters"][0];
        assert_eq!(cluster["name"], json!("api"), "the first cluster is the API");
        let address = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        address["socket_address"]["port_value"] = json!(upstream.port());
        self
    }

    /// With this buffer limit, in bytes, on every listener and cluster.
    pub fn with_buffers(mut self, limit: u32) -> Self {
        let resources = self.0["static_resources"].as_object_mut().unwrap();
        for resource in resources.values_mut().flat_map(|resources| resources.as_array_mut().unwrap()) {
            resource["per_connection_buffer_limit_bytes"] = json!(limit);
        }
        self
    }

    /// With the filter's configuration in a file of its own, which Envoy watches. Returns the file's content.
    pub fn with_discovery(mut self, file: &Path) -> (Self, Value) {
        let filter = self.filter_mut(PLUGIN);
        let config = filter["typed_config"].take();
        let kind = config["@type"].clone();
        *filter = json!({
            "name": "fieldgate",
            "config_discovery": {
                "config_source": {"path_config_source": {"path": file}, "resource_api_version": "V3"},
                "type_urls": [kind],
            },
        });
        (self, discovered(config))
    }

    /// With its listeners in a file of their own, which Envoy watches. Returns the file's content.
    pub fn with_listener_discovery(mut self, file: &Path) -> (Self, Value) {
        let mut listeners = self.0.pointer_mut("/static_resources/listeners").unwrap().take();
        for listener in listeners.as_array_mut().unwrap() {
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        }
        self.0["static_resources"]["listeners"] = json!([]);
        self.0["dynamic_resources"] =
            json!({"lds_config": {"path_config_source": {"path": file}, "resource_api_version": "V3"}});
        (self, json!({"resources": listeners}))
    }

    /// Without the gate: a request that the filter has not seen reaches the API.
    pub fn without_gate(mut self) -> Self {
        let filters = self.filters_mut();
        let before = filters.len();
        filters.retain(|filter| filter["name"] != "fieldgate.gate");
        assert_eq!(filters.len() + 1, before, "the reference has a gate");
        self
    }

    /// With filters before all others, and settings of theirs on the virtual host and on the route.
    pub fn with_filters_first(mut self, filters: Vec<Value>, host: &Value, route: &Value) -> Self {
        self.filters_mut().splice(0..0, filters);
        let table = format!("{FIRST_LISTENER}{MANAGER}/route_config/virtual_hosts/0");
        for (level, settings) in [(table.clone(), host), (format!("{table}/routes/0"), route)] {
            let level = self.0.pointer_mut(&level).unwrap();
            level["typed_per_filter_config"] = settings.clone();
        }
        self
    }

    /// With a filter right behind the plugin, towards the upstream.
    pub fn with_filter_behind(mut self, filter: Value) -> Self {
        let at = self.filters_mut().iter().position(|filter| filter["name"] == PLUGIN).unwrap();
        self.filters_mut().insert(at.saturating_add(1), filter);
        self
    }

    /// With another answer to a virtual machine that has failed.
    pub fn with_failure_policy(mut self, policy: &str) -> Self {
        let config = self.filter_mut(PLUGIN).pointer_mut("/typed_config/config").unwrap();
        config["failure_policy"] = json!(policy);
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// With a cluster on this machine.
    pub fn with_cluster(mut self, name: &str, address: SocketAddr) -> Self {
        let endpoint = json!({"endpoint": {"address": {"socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        }}}});
        self.0["static_resources"]["clusters"].as_array_mut().unwrap().push(json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }));
        self
    }

    /// With other rules of jwt_authn.
    pub fn with_token_rules(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.filter_mut("envoy.filters.http.jwt_authn")["typed_config"]);
        self
    }

    fn filters_mut(&mut self) -> &mut Vec<Value> {
        let filters = self.0.pointer_mut(&format!("{FIRST_LISTENER}{MANAGER}/http_filters")).unwrap();
        filters.as_array_mut().unwrap()
    }

    fn filter_mut(&mut self, name: &str) -> &mut Value {
        self.filters_mut().iter_mut().find(|filter| filter["name"] == name).unwrap()
    }
}

/// The discovery response that carries a filter's configuration.
fn discovered(config: Value) -> Value {
    json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "fieldgate",
        "typed_config": config,
    }]})
}

/// A discovery response, of the filter's configuration or of its listener, with another policy in the place of its own.
pub fn with_policy(mut discovered: Value, policy: &str) -> Value {
    let resource = discovered.pointer_mut("/resources/0").unwrap();
    let filter = match resource.pointer_mut(&format!("{MANAGER}/http_filters")).and_then(Value::as_array_mut) {
        Some(filters) => filters.iter_mut().find(|filter| filter["name"] == PLUGIN).unwrap(),
        None => discovered.pointer_mut("/resources/0").unwrap(),
    };
    let place = match Host::chosen() {
        Host::Plugin => "/typed_config/config/configuration/value",
        Host::Module => "/typed_config/filter_config/value",
    };
    *filter.pointer_mut(place).unwrap() = json!(policy);
    discovered
}

fn protocol(name: &str, options: &Value) -> Value {
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {name: options},
    }})
}

fn fill(tree: &mut Value, values: &[(&str, &str); 5], filled: &mut [usize; 5]) {
    match tree {
        Value::String(text) => {
            for ((blank, value), count) in values.iter().zip(filled) {
                if text == blank {
                    (*value).clone_into(text);
                    *count += 1;
                    return;
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| fill(element, values, filled)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, values, filled)),
        _ => {}
    }
}
