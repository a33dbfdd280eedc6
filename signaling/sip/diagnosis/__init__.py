"""SIP messages for people: kept, drawn, captured, and masked before anybody reads them."""
