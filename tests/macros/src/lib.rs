//! This package is its manifest.
