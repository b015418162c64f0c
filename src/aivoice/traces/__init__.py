"""What happened in a call and why: the live view, the trace, the transcript and the latency picture."""
