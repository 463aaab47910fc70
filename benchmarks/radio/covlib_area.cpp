// Area run of crc-covlib (MIT, github.com/ic-crc/crc-covlib): ITU-R P.1812 or ITM over a box, loss as float32.
// Build: see build_peers.sh. Arguments: HGT folder, latitude, longitude, south, west, north, east, points per
// side, MHz, step in m, model (1812 or itm), output file. Prints CPU seconds of the run and of the set-up.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>
#include "CRC-COVLIB.h"

using namespace Crc::Covlib;

int main(int argc, char** argv)
{
    if (argc != 13) return 2;
    const clock_t begin = clock();
    const int n = atoi(argv[8]);
    ISimulation* sim = NewSimulation();
    sim->SetTransmitterLocation(atof(argv[2]), atof(argv[3]));
    sim->SetTransmitterHeight(30);
    sim->SetTransmitterPower(1000, EIRP);
    sim->SetTransmitterFrequency(atof(argv[9]));
    sim->SetTransmitterPolarization(VERTICAL_POL);
    sim->SetReceiverHeightAboveGround(1.5);
    sim->SetPropagationModel(strcmp(argv[11], "itm") == 0 ? LONGLEY_RICE : ITU_R_P_1812);
    sim->SetITURP1812TimePercentage(50);
    sim->SetITURP1812LocationPercentage(50);
    sim->SetITURP1812AverageRadioRefractivityLapseRate(45);
    sim->SetITURP1812SeaLevelSurfaceRefractivity(325);
    sim->SetPrimaryTerrainElevDataSource(TERR_ELEV_SRTM);
    sim->SetTerrainElevDataSourceDirectory(TERR_ELEV_SRTM, argv[1]);
    sim->SetTerrainElevDataSourceSamplingMethod(TERR_ELEV_SRTM, BILINEAR_INTERPOLATION);
    sim->SetTerrainElevDataSamplingResolution(atof(argv[10]));
    sim->SetReceptionAreaCorners(atof(argv[4]), atof(argv[5]), atof(argv[6]), atof(argv[7]));
    sim->SetReceptionAreaNumHorizontalPoints(n);
    sim->SetReceptionAreaNumVerticalPoints(n);
    sim->SetResultType(PATH_LOSS_DB);
    const clock_t ready = clock();
    sim->GenerateReceptionAreaResults();
    const clock_t done = clock();
    std::vector<float> loss;
    for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x) {
            loss.push_back((float)sim->GetReceptionAreaResultLatitude(x, y));
            loss.push_back((float)sim->GetReceptionAreaResultLongitude(x, y));
            loss.push_back((float)sim->GetReceptionAreaResultValue(x, y));
        }
    FILE* out = fopen(argv[12], "wb");
    if (!out) return 3;
    fwrite(loss.data(), sizeof(float), loss.size(), out);
    fclose(out);
    sim->Release();
    printf("%.6f %.6f\n", (double)(done - ready) / CLOCKS_PER_SEC, (double)(ready - begin) / CLOCKS_PER_SEC);
    return 0;
}
