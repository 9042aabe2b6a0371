"""The worker: its task, its life cycle, the writing of events, the repair of lost runs."""
