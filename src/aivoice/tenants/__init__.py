"""Tenants: their numbers, the versions of their business file, who is let through when a number rings, and the records
of calls. See docs/adr/0085-tenants.md.

Every function that reads or writes takes its scope first: `Scope` for what a tenant may do, `PlatformScope` for the
operator's part. Times are aware datetimes, given by the caller.
"""
