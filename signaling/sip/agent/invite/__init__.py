"""INVITE of ours: a call begun, redirected, replaced, offered anew; and our 18x that wait for their PRACK."""
