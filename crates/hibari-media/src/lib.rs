//! Frames to files and back: H.264 in MP4, stills, previews, contact sheets.
