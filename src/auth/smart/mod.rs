//! Towards the FHIR server:
//! [SMART App Launch 2.2](https://hl7.org/fhir/smart-app-launch/STU2.2/).

pub mod authorization_code;
pub mod backend;
mod browser;
pub mod cache;
pub mod client;
pub mod discovery;
mod id_token;
pub mod launch;
pub mod refresh;
pub mod scope;
pub mod token;

pub use authorization_code::{Callback, Pending};
pub use backend::SigningKey;
pub use cache::TokenFile;
pub use client::{Authentication, SmartClient, SmartOptions};
pub use discovery::SmartConfiguration;
pub use launch::{LaunchOptions, StandaloneLaunch};
pub use refresh::{TokenCredential, TokenSource, TokenStore};
pub use scope::{Permission, Scopes};
pub use token::TokenSet;
