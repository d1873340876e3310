//! What the shape of the source must keep: floors, no circles, no long functions, libraries in one place.

mod circles;
mod floors;
mod functions;
mod sources;
