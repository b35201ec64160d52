"""Block-tridiagonal algebra, Newton and implicit integration; knows no chemistry."""
