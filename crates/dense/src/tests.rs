//! Building, searching, reloading and refusing.
