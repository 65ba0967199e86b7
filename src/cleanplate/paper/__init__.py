"""An Internal Learning Approach to Video Inpainting (ICCV 2019)."""
