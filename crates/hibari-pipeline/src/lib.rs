//! Prompt to video file: grounding, tasks, the one generation loop.
