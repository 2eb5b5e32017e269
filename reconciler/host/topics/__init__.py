"""Topic managers: pure decisions on which outputs belong to a topic, and which documents those need."""
