//! What the rate limit service is asked, and which of its answers count (rule 36).
//!
//! The policy is the only place that names `max` and the window: each ask carries them as an override, and the service's own
//! configuration has a domain and nothing else. A service that does not know the domain answers OK all the same, so an answer
//! counts only if the limit in it is the policy's.

use super::head::Head;
use super::subject::KeyTag;
use crate::protobuf::ratelimit::{Descriptor, Limit, TimeUnit, request, response};
use crate::protobuf::service::grpc_service;

/// The service of one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Who is asked: a `GrpcService`, which names Envoy's cluster; none if that has a name that does not check.
    pub target: Option<String>,
    /// The domain that the service is configured with.
    pub domain: String,
    /// How long an answer is waited for, in milliseconds.
    pub timeout: u32,
    /// What is asked for at least, so that not every request asks.
    pub lease: u64,
    /// The window, as the service names it.
    pub period: Period,
}

/// A window that the service has (rule 36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// 1s.
    Second,
    /// 1m.
    Minute,
    /// 1h.
    Hour,
    /// 1d.
    Day,
    /// 7d, from Thursday 00:00 UTC.
    Week,
    /// 30d.
    Month,
    /// 365d.
    Year,
}

impl Period {
    /// The period of so many seconds, if the service has one.
    #[must_use]
    pub fn of_seconds(seconds: u64) -> Option<Self> {
        Some(match seconds {
            1 => Self::Second,
            60 => Self::Minute,
            3_600 => Self::Hour,
            86_400 => Self::Day,
            604_800 => Self::Week,
            2_592_000 => Self::Month,
            31_536_000 => Self::Year,
            _ => return None,
        })
    }

    fn unit(self) -> TimeUnit {
        match self {
            Self::Second => TimeUnit::Second,
            Self::Minute => TimeUnit::Minute,
            Self::Hour => TimeUnit::Hour,
            Self::Day => TimeUnit::Day,
            Self::Week => TimeUnit::Week,
            Self::Month => TimeUnit::Month,
            Self::Year => TimeUnit::Year,
        }
    }
}

/// A question to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Who it is for.
    pub(super) tag: KeyTag,
    /// The window that it is for.
    pub(super) window: u64,
    /// What is asked for: it is spent if the answer is no, too.
    pub hits: u64,
}

/// What the service said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAnswer {
    /// Yes.
    Granted {
        /// What is left for all processes.
        left: u64,
        /// Seconds until the service's window ends; 0 if it does not say.
        until_reset: u64,
    },
    /// No.
    Over {
        /// Seconds until the service's window ends; 0 if it does not say.
        until_reset: u64,
    },
    /// Nothing that counts.
    Failure,
}

/// The method that is called.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
/// The service's one method.
pub const METHOD: &str = "ShouldRateLimit";

impl Service {
    /// How a call names its cluster; `None` if the cluster's name is too long.
    #[must_use]
    pub fn target(cluster: &str) -> Option<String> {
        grpc_service(cluster)
    }

    /// The ask for what is missing, or for a lease where that is more and there is so much left.
    pub(super) fn ask(&self, head: &Head, missing: u64) -> Ask {
        let hits = missing.max(self.lease.min(head.left));
        Ask { tag: head.tag, window: head.window, hits }
    }

    /// The bytes of the question. The key is a keyed hash: the service learns no client id and no claim.
    #[must_use]
    pub fn question(&self, prefix: &str, max: u64, ask: &Ask) -> Vec<u8> {
        let key = format!("{:016x}", ask.tag.0);
        request(&Descriptor {
            domain: &self.domain,
            entries: [("budget", prefix), ("key", &key)],
            limit: Limit { requests: max, unit: self.period.unit() },
            hits: ask.hits,
        })
    }

    /// Reads the service's answer: anything but a yes or no to this budget's own limit is none.
    #[must_use]
    pub fn answer(&self, max: u64, bytes: &[u8]) -> ServiceAnswer {
        let Some(said) = response(bytes) else { return ServiceAnswer::Failure };
        if said.limit != Some(Limit { requests: max, unit: self.period.unit() }) {
            return ServiceAnswer::Failure;
        }
        match said.granted {
            Some(true) => ServiceAnswer::Granted { left: said.left, until_reset: said.until_reset },
            Some(false) => ServiceAnswer::Over { until_reset: said.until_reset },
            None => ServiceAnswer::Failure,
        }
    }
}
