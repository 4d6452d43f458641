#include "boxcar/runtime/files/torch_writer.h"

#include <string>

#include "boxcar/runtime/files/pickle_writer.h"
#include "boxcar/runtime/files/stored_zip_writer.h"

namespace boxcar {

void write_torch_file(const std::filesystem::path& path, const PickleValue& root) {
  const PickledTree tree = write_pickle(root);
  // The name torch.save gives the folder when it writes to a stream: the path must not change the bytes.
  const std::string folder = "archive/";
  StoredZipWriter archive(path);
  archive.add(folder + "data.pkl", tree.pickle);
  archive.add(folder + "byteorder", "little");
  for (std::size_t i = 0; i < tree.storages.size(); ++i) {
    archive.add(folder + "data/" + std::to_string(i), tree.storages[i]->bytes);
  }
  archive.add(folder + "version", "3\n");
  archive.commit();
}

}  // namespace boxcar
