"""The pages that officers, the commission and administrators work in."""
