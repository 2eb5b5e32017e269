"""Pure planning: desired state and snapshot in; changes, cost, guards and one self-describing document out."""
