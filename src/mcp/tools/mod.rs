//! The tools, one a file.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod get_capabilities;
pub(crate) mod get_user;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod validate;
pub(crate) mod written;
