"""The contact-centre domain, no clock and no I/O: `commands` into the `desk`, `events` out, each a fact of its `state`.

Values: `centre`, `interaction`. Steps, each folder above what it uses: `settlement work conversation flow`.
"""
