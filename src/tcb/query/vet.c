#include "query/vet.h"
void vet_serve(int stream) { (void)stream; }
