"""Keys, where they are kept, and signing; BRC-100's names and shapes."""
