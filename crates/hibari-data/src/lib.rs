//! Worlds and videos to clips, captions, latents and batches.
