"""Steps of those who work: ready, rung, seated, wrapping up; of the queues they serve, and their accounts."""
