"""Local servers that speak the providers' own protocols over real sockets, with faults on demand. Shipped: tests,
benchmarks and the fault matrix use them as they would the real service."""
