/* query/vet.h: the vetting task. */
#pragma once
void vet_serve(int stream);
