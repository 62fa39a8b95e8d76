//! What authors and reviewers of a policy ask, answered with the core that the plugin runs.
//!
//! [`suite`] runs the examples beside a policy and judges what is seen; [`openapi`] drafts a policy from an API's
//! description and says where the two drift apart; [`deployment`] looks at the configuration of Envoy around a policy;
//! [`preview`] rewrites one response as the plugin would, [`cells`] says who sees what, [`changes`] who gains and loses;
//! [`replay`] says how much a harvester gets under it, [`ledger`] whose data left, by the records of an access log, [`learn`] what no
//! shape names, by the same. [`invented`] makes a body up where nobody has one.
//! Files are read by whoever calls: the command line is `crates/cli`.

pub mod cells;
pub mod changes;
pub mod complete;
pub mod deployment;
pub mod fault;
pub mod found;
pub mod invented;
pub mod learn;
pub mod ledger;
pub mod loaded;
pub mod openapi;
pub mod preview;
pub mod replay;
pub mod suite;
