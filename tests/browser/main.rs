//! The shop in a real browser: Chromium, driven over WebDriver.
//!
//! Without `chromium` and `chromedriver` these tests print a note and pass. `tests/run` installs the programs if it
//! can, and otherwise lists the tests as skipped. With `SCREENSHOTS=dir`, a screenshot of every visited page is saved.

mod devices;
mod driver;
mod journey;
mod presets;
mod replicas;
