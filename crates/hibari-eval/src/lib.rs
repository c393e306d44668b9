//! Measures: the judge, attribute accuracy, reconstruction, motion.
