"""Wire formats of clients and providers: one neutral form in the middle, one module or package per dialect around it."""
