"""The one way in which drivers touch the kernel's files."""
