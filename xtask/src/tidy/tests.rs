//! Each rule holds here, and is broken by an example that it is meant to catch.

use std::path::Path;

use super::*;
use crate::repository::locked_edges;

#[test]
fn the_repository_breaks_no_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let repository = Repository::read(root).unwrap();
    assert!(
        repository.sources.len() > 20 && repository.locked.contains_key("burn"),
        "the reader lost its way"
    );
    let found: Vec<_> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&repository).into_iter().map(move |text| (*name, text)))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_rule_catches_its_example() {
    let source = |name: &str, text: &str| Repository {
        sources: vec![(name.to_owned(), text.to_owned())],
        ..Default::default()
    };
    let manifest = |krate: &str, text: &str| {
        let manifests = [(krate.to_owned(), text.parse().unwrap())].into();
        let lock = "[[package]]\nname = \"hibari-media\"\ndependencies = [\"a 1.0\"]\n[[package]]\nname = \"a\"\ndependencies = [\"burn-core\"]";
        Repository { manifests, locked: locked_edges(&lock.parse().unwrap()), ..Default::default() }
    };
    let flex = "//!\nimpl NormOps for Flex {\n    fn a(x: X) {}\n    fn a_backward(x: X) {}\n}\nfn helper() {}";
    let examples = [
        ("edges", manifest("media", "[dependencies]\nhibari-world.workspace = true")),
        (
            "edges",
            manifest(
                "media",
                "[target.'cfg(unix)'.dev-dependencies]\nhibari-world.workspace = true",
            ),
        ),
        ("edges", manifest("surprise", "")),
        ("burn-closure", manifest("media", "")),
        ("versions-at-root", manifest("ops", "[dependencies]\nhalf = \"2\"")),
        (
            "versions-at-root",
            manifest("ops", "[dev-dependencies]\nburn = { workspace = true, features = [\"x\"] }"),
        ),
        ("anyhow", manifest("world", "[dependencies]\nanyhow.workspace = true")),
        ("features", manifest("world", "[features]\nfast = []")),
        ("diffusion-and-models", source("crates/hibari-diffusion/src/a.rs", "//!\nuse lark;")),
        (
            "diffusion-and-models",
            source("crates/hibari-models/src/a.rs", "//!\nuse hibari_diffusion::{Latent, Plan};"),
        ),
        (
            "siblings",
            source("crates/hibari-models/src/wan/dit.rs", "//!\nuse crate::lark::config;"),
        ),
        (
            "siblings",
            source("crates/hibari-models/src/layers/a.rs", "//!\nuse crate::ltx::config;"),
        ),
        ("only-cli", source("crates/hibari-world/src/a.rs", "//!\nfn a() { println!(\"\") }")),
        ("only-cli", source("crates/hibari-world/src/a.rs", "//!\nlet a = std::env::var(\"A\");")),
        ("async", source("crates/hibari-world/src/a.rs", "//!\nasync fn a() {}")),
        ("unsafe", source("crates/hibari-weights/src/write.rs", "//!\nunsafe { a() }")),
        ("autodiff-overrides", source("crates/hibari-ops/src/norm/flex.rs", flex)),
        ("headers", source("crates/hibari-world/src/a.rs", "fn a() {}")),
        ("ignored", source("crates/hibari-world/src/a.rs", "//!\n#[ignore]\nfn a() {}")),
        (
            "weights-size",
            Repository { weights_bytes: WEIGHTS_LIMIT_BYTES + 1, ..Default::default() },
        ),
    ];
    for (index, (name, broken)) in examples.iter().enumerate() {
        let (_, rule) = RULES.iter().find(|(rule, _)| rule == name).unwrap();
        assert_eq!(rule(broken).len(), 1, "example {index} of `{name}`: {:?}", rule(broken));
    }
    for (name, _) in RULES {
        assert!(examples.iter().any(|(covered, _)| covered == name), "`{name}` has no example");
    }
}

#[test]
fn comments_tests_and_allowed_places_are_left_alone() {
    let text =
        "//!\n// println!\nlet a = 1; // unsafe\n#[cfg(test)]\nmod tests {\n    println!()\n}";
    for name in ["crates/hibari-world/src/a.rs", "crates/hibari-kernels/src/a.rs"] {
        let repository =
            Repository { sources: vec![(name.to_owned(), text.to_owned())], ..Default::default() };
        for (rule_name, rule) in RULES {
            assert!(rule(&repository).is_empty(), "{rule_name}");
        }
    }
}
