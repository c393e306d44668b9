//! The simulated world: scripts, timelines, a renderer, captions and exact truth.
