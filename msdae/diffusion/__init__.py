"""The diffusion process (EDM) and the samplers that solve it."""
