"""What our servers share on their side of HTTP: cross-origin headers, bounded bodies, answers that are errors."""
