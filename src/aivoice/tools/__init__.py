"""A tenant's tools over HTTP and MCP, built-in tools, and everything that goes out later. See docs/adr/0083."""
