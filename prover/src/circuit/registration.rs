//! The registration proof: the committed weight cells are packed integers in range.
