//! The shop in a real browser: Chromium, driven over WebDriver.
//!
//! Without `chromium` and `chromedriver` these tests say so and pass; `tests/run` installs them where it may, and lists
//! the tests as skipped where they are missing. `SCREENSHOTS=dir` keeps a picture of every page that is seen.

mod devices;
mod driver;
mod journey;
mod presets;
mod replicas;
