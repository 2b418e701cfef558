//! Pages that show stock, time and the pipeline, and forms for commands. A client of the public API of both
//! services, and of nothing else.
//!
//! - [`config`]: the settings
//! - [`app`]: starts and stops the console
//! - `router`: the routes, and what surrounds them
//! - `pages`: a page each: what it asks for, and the values its template shows
//! - `chart`: a balance over time as a picture
//! - `frame`: what all pages have in common, and the page about a failure
//! - `sign_in`, `sessions`: which visitor asks, and with what the services are asked for them
//! - `reader`: who reads the page that is written now
//! - `services`: requests to the services
//! - `answers`: what the services answer
//! - `shown`: how values are written
//! - `texts`: all words of the pages
//! - `assets`: style sheet, scripts and picture, in the program

mod answers;
pub mod app;
mod assets;
mod chart;
pub mod config;
mod frame;
mod pages;
mod reader;
mod router;
mod services;
mod sessions;
mod shown;
mod sign_in;
mod texts;
