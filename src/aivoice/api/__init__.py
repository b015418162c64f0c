"""The HTTP control plane: calls over WHIP, their live events, their files, and the page."""
