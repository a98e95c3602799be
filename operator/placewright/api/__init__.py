"""Custom resources: inert pydantic types, the CRDs rendered from them, and their way to and from core values.

Nothing is imported here, so that commands which need no resource stay quick.
"""
