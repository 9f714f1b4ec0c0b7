"""What a step and a dense map cost, beside what they cost the authors.

``declip benchmark`` runs it; ``benchmarks/README.md`` has the protocol.
"""
