//! Model families, text encoders and the layers they share.
