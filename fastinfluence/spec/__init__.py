"""What is differentiated: pure maths, no arrays."""
