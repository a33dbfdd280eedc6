"""The contact-centre domain: pure values and transition tables, no clock and no I/O."""
