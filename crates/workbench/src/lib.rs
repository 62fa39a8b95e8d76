//! What authors and reviewers of a policy ask, answered with the core that the plugin runs.
//!
//! [`suite`] runs the examples beside a policy and judges what is seen; [`openapi`] drafts a policy from an API's
//! description and says where the two drift apart; [`deployment`] looks at the configuration of Envoy around a policy;
//! [`replay`] says how much a harvester gets under it, [`ledger`] whose data left, by the records of an access log, [`learn`] what no
//! shape names, by the same.
//! Files are read by whoever calls: the command line is `crates/cli`.

pub mod deployment;
pub mod learn;
pub mod ledger;
pub mod openapi;
pub mod replay;
pub mod suite;
