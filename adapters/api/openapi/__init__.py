"""The OpenAPI document, generated from the declarations of resource types."""
