"""The search loops: propose, evaluate, record, observe."""
