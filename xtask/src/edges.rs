//! Which crate may use which: the law that `tidy` holds the manifests to. ARCHITECTURE.md shows the same table.

/// One crate's row.
pub(crate) struct Row {
    /// Name without `hibari-`.
    pub(crate) name: &'static str,
    /// Our crates it may use, without `hibari-`.
    pub(crate) may_use: &'static [&'static str],
    /// Whether Burn may be in its closure.
    pub(crate) may_use_burn: bool,
}

const fn row(name: &'static str, may_use: &'static [&'static str], may_use_burn: bool) -> Row {
    Row { name, may_use, may_use_burn }
}

/// All crates, lowest first.
pub(crate) const EDGES: &[Row] = &[
    row("kernels", &[], false),
    row("media", &[], false),
    row("world", &["media"], false),
    row("store", &[], false),
    row("diffusion", &[], true),
    row("ops", &["kernels"], true),
    row("weights", &["kernels"], true),
    row("models", &["diffusion", "ops", "weights"], true),
    row("data", &["media", "models", "weights", "world"], true),
    row("eval", &["media", "models", "ops", "weights", "world"], true),
    row("pipeline", &["diffusion", "media", "models", "weights", "world"], true),
    row(
        "train",
        &["data", "diffusion", "eval", "kernels", "media", "models", "ops", "weights", "world"],
        true,
    ),
    row(
        "cli",
        &[
            "data",
            "diffusion",
            "eval",
            "kernels",
            "media",
            "models",
            "ops",
            "pipeline",
            "store",
            "train",
            "weights",
            "world",
        ],
        true,
    ),
];

/// The row of a crate, by its name without `hibari-`.
pub(crate) fn row_of(name: &str) -> Option<&'static Row> {
    EDGES.iter().find(|row| row.name == name)
}
