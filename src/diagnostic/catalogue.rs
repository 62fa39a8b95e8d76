//! What each code means. Not in the plugin.
